
# The code or the text that such an event brings may be a stranger's. Whoever it is from, GitHub has checked.
refuse() {
	echo "::error title=Job refused::$*"
	exit 1
}

# known_author EVENT: whether the event is of a pull request from a branch of its own repository, or all of its authors
# belong to the repository. Whoever triggers on a comment decides by the comment's author what a stranger's issue is worth.
known_author() {
	# An empty file has no event: "input" is an error then, where a plain filter would just not run.
	jq --exit-status --null-input --arg name "${GITHUB_EVENT_NAME-}" '
		input
		| (["OWNER", "MEMBER", "COLLABORATOR"] + if .repository.private == true then ["CONTRIBUTOR"] else [] end) as $known
		| (if $name == "issue_comment" then [.comment] else [.pull_request] + ([.review, .comment] | map(values)) end) as $texts
		| .pull_request.head.repo.full_name as $head
		| $head != null and $head == .pull_request.base.repo.full_name
			or ($texts | all(.author_association as $a | $known | index([$a]) != null))
	' "$1" >/dev/null
}

case ${GITHUB_EVENT_NAME-} in
'') refuse "The runner cannot tell what started this job." ;;
pull_request | pull_request_target | pull_request_review | pull_request_review_comment | issue_comment)
	known_author "${GITHUB_EVENT_PATH-}"
	case $? in
	0) ;;
	1) refuse "This runner takes no job from outside. The author of this pull request, review or comment is neither owner nor member" \
		"nor collaborator of the repository (nor, in a private one, contributor). One of those can push the change to a branch of it." ;;
	*) refuse "The runner cannot tell who started this job: jq cannot read the event." ;;
	esac
	;;
esac
