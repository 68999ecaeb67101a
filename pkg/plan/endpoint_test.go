package plan_test

import "testing"

func TestDiffOfEndpoints(t *testing.T) {
	for _, row := range []diffRow{
		{
			summary: "GARM's own was deleted", have: `endpoint github.com deleted`, want: `credential app`,
			plan: `
create endpoint github.com: it was deleted, and a configurator needs it
create credential app: a configurator uses it`,
		},
		{
			summary: "GARM's own was deleted, and nobody needs it", have: `endpoint github.com deleted`,
			want: `
endpoint ghes
credential app endpoint=ghes`,
			plan: `
create endpoint ghes: a configurator names this GitHub server
create credential app: a configurator uses it`,
		},
		{
			summary: "a server comes with all that is on it",
			want: `
endpoint ghes
credential app endpoint=ghes
organization acme credential=app endpoint=ghes
scale-set small of=acme endpoint=ghes`,
			plan: `
create endpoint ghes: a configurator names this GitHub server
create credential app: a configurator uses it
create organization acme at ghes: a configurator declares a scale set for it
create scale set small of organization acme at ghes: small declares it`,
		},
		{
			summary: "its certificate has changed", have: `endpoint ghes ca=old made-from=old`, want: `endpoint ghes ca=new made-from=new`,
			plan: `update endpoint ghes: its URLs or its certificate have changed`,
		},
		{
			summary: "its certificate is not wanted any more", have: `endpoint ghes ca=old`, want: `endpoint ghes made-from=new`,
			plan: `defer endpoint ghes: GARM cannot forget the certificate of a server; set github-ca-certificate again`,
		},
		{
			summary: "its URL has changed, and nothing is on it", have: `endpoint ghes url=http://ghes`, want: `endpoint ghes made-from=new`,
			plan: `update endpoint ghes: its URLs or its certificate have changed`,
		},
		{
			summary: "its URL has changed under a credential",
			have: `
endpoint ghes url=http://ghes
credential app endpoint=ghes
organization acme credential=app endpoint=ghes`,
			want: `
endpoint ghes made-from=new
credential app endpoint=ghes made-from=new
organization acme credential=app endpoint=ghes`,
			plan: `defer endpoint ghes: GARM cannot change the URLs of a server that it has scale sets of; set them back to http://ghes,  and `,
		},
		{
			summary: "foreign endpoint for the same URLs is used, and never changed", have: `endpoint ghes foreign`,
			want: `
endpoint ghes
credential app endpoint=ghes`,
			plan: `create credential app: a configurator uses it`,
		},
		{
			summary: "nothing goes to a foreign endpoint for other URLs", have: `endpoint ghes url=https://elsewhere foreign`,
			want: `
endpoint ghes
credential app endpoint=ghes
organization acme credential=app endpoint=ghes
scale-set small of=acme endpoint=ghes`,
			plan: `defer endpoint ghes: GARM has an endpoint ghes for other URLs; rename or delete it there`,
		},
		{
			summary: "the server is unwanted, the endpoint goes last",
			have: `
endpoint ghes
endpoint theirs foreign
credential app endpoint=ghes`,
			plan: `
delete credential app: no configurator uses it any more
delete endpoint ghes: no configurator names this GitHub server any more`,
		},
		{
			summary: "a server with a foreign credential stays",
			have: `
endpoint ghes
credential theirs endpoint=ghes foreign`,
		},
	} {
		t.Run(row.summary, row.run)
	}
}
