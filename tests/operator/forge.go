package operator

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/tests/github"
)

// github add-org NAME | add-repo OWNER/NAME | add-enterprise NAME | add-app ID INSTALLATION KEYFILE | add-token FILE | ca FILE |
// scale-sets ORG or KIND/NAME | delete-scale-set ORG NAME | listens ORG NAME (until GARM does) | queue OWNER/NAME LABEL |
// quota USED | fail STATUS [PATH] | fail DURATION [PATH] | fail hang [PATH] | heal
//
// ghes is the same for the Enterprise Server.
func (o *Operator) forge(ctx context.Context, server *github.Server, args []string) (string, error) {
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
	case "delete-scale-set", "listens":
		return "", o.forgeScaleSet(ctx, server, args)
	case "fail":
		return "", fail(server, args[1], strings.Join(args[2:], ""))
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

// forgeScaleSet deletes a scale set, or waits until GARM listens for its jobs.
func (o *Operator) forgeScaleSet(ctx context.Context, server *github.Server, args []string) error {
	entity, name := github.Organization(args[1]), args[2]
	return o.until(ctx, func(context.Context) error {
		for _, set := range server.ScaleSets(entity) {
			isPolled := func(session github.Session) bool { return session.ScaleSetID == set.ID && session.Polling }
			switch {
			case set.Name != name:
			case args[0] == "delete-scale-set":
				server.DeleteScaleSet(set.ID)
				return nil
			case slices.ContainsFunc(server.Sessions(), isPolled):
				return nil
			}
		}
		return fmt.Errorf("%s has no scale set %s, or nobody listens for its jobs", entity, name)
	})
}

// fail has GitHub answer every request, or those whose path matches, with a status, later by a duration, or never ("hang").
func fail(server *github.Server, how, path string) error {
	match := github.Match{Path: path}
	if how == "hang" {
		return server.Fail(match, github.Fault{Hang: true})
	}
	if delay, err := time.ParseDuration(how); err == nil {
		return server.Fail(match, github.Fault{Delay: delay})
	}
	status, err := strconv.Atoi(how)
	if err != nil {
		return err
	}
	return server.Fail(match, github.Fault{Status: status})
}
