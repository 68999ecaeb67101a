package bootstrap

// InstallContext is what templates are executed with.
func InstallContext(jit, agent bool) map[string]any { return installContext(jit, agent) }
