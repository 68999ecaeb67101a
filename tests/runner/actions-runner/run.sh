#!/bin/bash
cd "$(dirname "$0")" && exec ./bin/Runner.Listener run
