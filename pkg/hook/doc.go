// Package hook is Juju's side of a charm: the environment of one dispatch, the hook tools, and the log.
// It must not know what the charm does: no GARM, no relation's wire format, no words for the operator.
//
// [ParseEnv] reads what Juju says about the event, [Tools] asks and answers through the hook tools, and a [Runner]
// is the only door to the outside. Secrets travel to Juju in files of mode 0600, never on a command line.
//
// Facts about the tools come from Juju's worker/uniter/runner/jujuc and worker/uniter/runner/context.
package hook
