#!/bin/sh
# Readiness of a hop: its tunnel carries packets, with the parameters that are mounted. For busybox ash, without rights.
state_file=${HOPKEEPER_STATE:-/run/hopkeeper/state}
plan_file=${HOPKEEPER_PLAN:-/etc/hopkeeper/hop/hop.json}

[ -r "$state_file" ] && [ -r "$plan_file" ] || exit 1
while IFS='=' read -r key value; do
    case $key in
    applied) applied=$value ;;
    state) state=$value ;;
    unix_seconds) seconds=$value ;;
    esac
done <"$state_file"

[ "$state" = up ] || exit 1
# Neither old, nor of a time that a clock which was set back has not reached.
age=$(($(date +%s) - ${seconds:-0}))
[ "$age" -le 5 ] && [ "$age" -ge -5 ] || exit 1
mounted=''
while read -r line; do
    case $line in '"id": "'*) mounted=${line#'"id": "'} mounted=${mounted%%'"'*} && break ;; esac
done <"$plan_file"
[ -n "$mounted" ] && [ "$applied" = "$mounted" ]
