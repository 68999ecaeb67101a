# report tells GARM what was left out, for its status messages of this runner. sendStatus is GARM's, and puts the text
# into JSON as it is.
report() {
	local line
	while IFS= read -r line; do
		sendStatus "${line//[\"\\[:cntrl:]]/ }"
	done < <(grep -a cannot "$notes" 2>/dev/null | sort -u)
	rm -f "$notes"
}

report
exit "$failed"
