#!/bin/sh
# Cuts one chart out of a report and makes it a picture that stands alone:
#   sh docs/pictures/cut.sh REPORT/index.html bars > docs/pictures/npm-start.svg
# The colours and lines are those of the report's own style sheet, without what it says about the page around the chart. The
# picture has the linear scale alone.
set -eu
page=$1
id=$2
chart=$(sed -n "/<svg [^>]*\"$id-title /,/<\/svg>/p" "$page" | sed '/<g class="log">/,/<\/g>/d')
first=$(printf '%s\n' "$chart" | head -n 1)
size=$(printf '%s\n' "$first" | sed 's/.*viewBox="0 0 \([0-9.]*\) \([0-9.]*\)".*/width="\1" height="\2"/')
printf '%s\n' "$first" | sed "s|<svg |<svg xmlns=\"http://www.w3.org/2000/svg\" $size |"
sed -n '/<style>/,/<\/style>/p' "$page" | sed 's|.*<style>|<style>|; /\/\* the page \*\//,$d'
printf '.chart { background: var(--paper); }\n</style>\n'
printf '%s\n' "$chart" | tail -n +2
