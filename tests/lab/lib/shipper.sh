# shellcheck shell=bash
# The shipper (tests/lab/shipper): this lab's stand-in for Filebeat.
shipper_build() { :; }
shipper_up() { :; }
shipper_down() { halt shipper 5; }
