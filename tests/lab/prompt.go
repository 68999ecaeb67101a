package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/jujucli"
)

const help = `   juju COMMAND ...      as an operator types it; knows: %s
   boot SCALE-SET        boots the scale set's next runner and shows its console
   tick UNIT             fires update-status
   help, exit
`

// prompt sets the model up and leaves it to the person at the terminal.
func prompt(ctx context.Context, t *teller, in io.Reader) error {
	t.heading("Setting up one scale set")
	if err := t.Setup(ctx, "small", t.typed); err != nil {
		return err
	}
	if err := t.settle(ctx, "small", "^small ready$"); err != nil {
		return err
	}
	if err := t.showAccess(ctx); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for fmt.Fprint(t.out, "lab> "); lines.Scan(); fmt.Fprint(t.out, "lab> ") {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "exit" || ctx.Err() != nil {
			return nil
		}
		if err := t.carryOut(ctx, words); err != nil {
			fmt.Fprintf(t.out, "error: %v\n", err)
		}
	}
	return lines.Err()
}

// showAccess prints where GARM's web page is and how to log in.
func (t *teller) showAccess(ctx context.Context) error {
	result, err := t.Model.Run(ctx, "garm/0", "get-credentials", nil)
	if err != nil {
		return err
	}
	host, err := t.Model.PodHost(ctx, "garm/0")
	if err != nil {
		return err
	}
	address := net.JoinHostPort(host.Addr().String(), "8080")
	door, err := publish(ctx, address)
	if err != nil {
		return err
	}
	t.heading("It runs")
	t.say("GARM's web page: %s/ui/   its API: %s/api/v1   its metrics: %s/metrics", door, door, door)
	t.say("user %v, password %v", result.Results["username"], result.Results["password"])
	if !hasPage(ctx, address) {
		t.say("This GARM was built from its Go module, which does not have the web page in it; name one that has with GARM_BIN.")
	}
	t.say("")
	fmt.Fprintf(t.out, help, strings.Join(jujucli.Names(), ", "))
	return nil
}

func hasPage(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/ui/", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (t *teller) carryOut(ctx context.Context, words []string) error {
	switch words[0] {
	case "juju":
		return t.Juju(t.out).Run(ctx, words[1:]...)
	case "boot":
		if len(words) != 2 {
			return fmt.Errorf("cannot boot: say which scale set")
		}
		machine, err := t.Boot(ctx, words[1], bed.Image())
		if err != nil {
			return err
		}
		t.quote(string(machine.Log()))
		return nil
	case "tick":
		if len(words) != 2 {
			return fmt.Errorf("cannot tick: say which unit")
		}
		return t.Model.FireUpdateStatus(ctx, words[1])
	case "help":
		fmt.Fprintf(t.out, help, strings.Join(jujucli.Names(), ", "))
		return nil
	}
	return fmt.Errorf("cannot run %s: it is not one of juju, boot, tick, help, exit", words[0])
}
