#!/bin/sh
# Cuts one chart out of a report and makes it a picture that stands alone:
#   sh docs/pictures/cut.sh REPORT/index.html bars > docs/pictures/npm-start.svg
# The colours and lines are those of the report's own style sheet, without what it says about the page around the chart.
set -eu
page=$1
id=$2
chart=$(sed -n "/<svg [^>]*\"$id-title /,/<\/svg>/p" "$page" | sed 's/.*<svg /<svg /; s/<\/svg>.*/<\/svg>/')
style=$(sed -n '/<style>/,/<\/style>/p' "$page" |
  sed '/@media (max-width/,$d; /^\(body\|main\|h1\|h2\|table\|th\|td\|dl\|dt\|dd\|li\|\*\)/d; /^\.\(legend\|key-\|scroll\|program\|verdict\|headline\)/d')
first=$(printf '%s\n' "$chart" | head -n 1)
size=$(printf '%s\n' "$first" | sed 's/.*viewBox="0 0 \([0-9]*\) \([0-9]*\)".*/width="\1" height="\2"/')
printf '%s\n' "$first" | sed "s|<svg |<svg xmlns=\"http://www.w3.org/2000/svg\" $size |"
printf '%s\n' "$style" | sed 's|.*<style>|<style>|'
printf '.chart { background: var(--paper); }\n</style>\n'
printf '%s\n' "$chart" | tail -n +2
