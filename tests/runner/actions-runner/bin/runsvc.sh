#!/bin/bash
# What the service starts: the listener, with the search path that env.sh wrote down.
if [ -f .path ]; then
	PATH=$(cat .path)
	export PATH
fi
exec ./bin/Runner.Listener run
