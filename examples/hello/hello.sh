#!/bin/sh
echo "$GREETING"
echo "built by user $(id -u) in a container whose processes are: $(echo /proc/[0-9]*)"
