#!/bin/bash
# Writes down what of the installer's environment the runner should have, unless .env says it already.
touch .env
for name in LANG JAVA_HOME; do
	if [ -n "${!name-}" ] && ! grep -q "^$name=" .env; then
		echo "$name=${!name}" >>.env
	fi
done
echo "$PATH" >.path
