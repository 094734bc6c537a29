//go:build tools

// Package tools pins the Loki that the tests run.
package tools

import _ "github.com/grafana/loki/v3/cmd/loki"
