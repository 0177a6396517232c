package options

// WithTest is for tests.
func WithTest() Option { return nil }
