#!/bin/sh
# Writes what `net` sees of the tunnel as JSON lines: at each change of state, parameters (mounted or in use), carrier or
# probe, and every 5 s. For busybox ash, without rights. Loops by builtins only (two processes a turn), so that it costs next to nothing.
state_file=${HOPKEEPER_STATE:-/run/hopkeeper/state}
plan_file=${HOPKEEPER_PLAN:-/etc/hopkeeper/hop/hop.json}
trap 'exit 0' TERM INT

last='' printed=0
while :; do
    now=$(date +%s)
    mounted='' applied='' since='' state=down carrier=0 rx=0 tx=0 rx_age=-1 handshake=-1 probe=unknown seconds=0
    if [ -r "$state_file" ]; then
        while IFS='=' read -r key value; do
            case $key in
            applied) applied=$value ;;
            applied_since) since=$value ;;
            state) state=$value ;;
            carrier) carrier=$value ;;
            rx_bytes) rx=$value ;;
            tx_bytes) tx=$value ;;
            rx_age_seconds) rx_age=$value ;;
            handshake_age_seconds) handshake=$value ;;
            probe) probe=$value ;;
            unix_seconds) seconds=$value ;;
            esac
        done <"$state_file"
    fi
    if [ -r "$plan_file" ]; then
        while read -r line; do
            case $line in '"id": "'*) mounted=${line#'"id": "'} mounted=${mounted%%'"'*} && break ;; esac
        done <"$plan_file"
    fi
    # Nobody watches the tunnel any more. A clock that was set back is no reason to believe so for hours, nor to be silent.
    [ $((now - seconds)) -le 5 ] && [ $((seconds - now)) -le 5 ] || state=down

    current="$state $mounted $applied $carrier $probe"
    if [ "$current" != "$last" ] || [ $((now - printed)) -ge 5 ] || [ "$now" -lt "$printed" ]; then
        printf '{"hopkeeper":"health","state":"%s","mounted":"%s","applied":"%s","applied_since":"%s","carrier":%s,"rx_bytes":%s,"tx_bytes":%s,"rx_age_seconds":%s,"handshake_age_seconds":%s,"probe":"%s"}\n' \
            "$state" "$mounted" "$applied" "$since" "$carrier" "$rx" "$tx" "$rx_age" "$handshake" "$probe"
        last=$current printed=$now
    fi
    # In the background, so that a signal is not kept waiting.
    sleep 0.5 &
    wait $!
done
