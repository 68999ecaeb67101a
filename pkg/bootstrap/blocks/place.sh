# place FILE MODE BYTES: FILE becomes the first BYTES bytes of standard input, owned by root.
# The count is what makes a heredoc exact: it always ends in a newline that the text may not have.
place() {
	sudo install -D -m "$2" /dev/null "$1" && head -c "$3" | sudo tee "$1" >/dev/null && return
	log "cannot write $1"
	return 1
}
