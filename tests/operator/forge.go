package operator

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/tests/github"
)

// github add-org NAME | add-repo OWNER/NAME | add-enterprise NAME | add-app ID INSTALLATION KEYFILE | add-token FILE | ca FILE |
// scale-sets ORG or KIND/NAME | queue OWNER/NAME LABEL | quota USED | fail STATUS |
// fail hang | heal
//
// ghes is the same for the Enterprise Server.
func (o *Operator) forge(server *github.Server, args []string) (string, error) {
	switch args[0] {
	case "scale-sets":
		return scaleSets(server, args[1]), nil
	case "ca":
		return "", o.keep(args[1], server.CA())
	case "queue":
		owner, name, _ := strings.Cut(args[1], "/")
		_, err := server.QueueJob(github.Repository(owner, name), "build", args[2])
		return "", err
	case "quota":
		used, err := strconv.Atoi(args[1])
		server.UseQuota(used)
		return "", err
	case "fail":
		return "", fail(server, args[1])
	case "heal":
		server.Heal()
		return "", nil
	}
	return "", o.addTo(server, args)
}

func (o *Operator) addTo(server *github.Server, args []string) error {
	switch args[0] {
	case "add-org":
		return server.AddEntity(github.Organization(args[1]))
	case "add-repo":
		owner, name, _ := strings.Cut(args[1], "/")
		return server.AddEntity(github.Repository(owner, name))
	case "add-enterprise":
		return server.AddEntity(github.Enterprise(args[1]))
	case "add-app":
		var app, installation int64
		if _, err := fmt.Sscan(args[1]+" "+args[2], &app, &installation); err != nil {
			return err
		}
		return o.addApp(server, app, installation, args[3])
	case "add-token":
		token, err := o.read(args[1])
		server.AddToken(strings.TrimSpace(string(token)))
		return err
	}
	return fmt.Errorf("unknown: github %s", args[0])
}

// scaleSets has a line for each scale set of an entity, which is an organisation unless it is given as KIND/NAME.
func scaleSets(server *github.Server, name string) string {
	entity := github.Organization(name)
	if strings.Contains(name, "/") {
		entity = github.Entity(name)
	}
	var names strings.Builder
	for _, set := range server.ScaleSets(entity) {
		fmt.Fprintln(&names, set.Name)
	}
	return names.String()
}

// fail has GitHub answer every request with a status, or "hang": never.
func fail(server *github.Server, how string) error {
	if how == "hang" {
		return server.Fail(github.Match{}, github.Fault{Hang: true})
	}
	status, err := strconv.Atoi(how)
	if err != nil {
		return err
	}
	return server.Fail(github.Match{}, github.Fault{Status: status})
}
