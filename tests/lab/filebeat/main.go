// Filebeat with the one input that the configurations in `filebeat/` use: Elastic's own code, but for this list.
package main

import (
	"os"

	"github.com/elastic/beats/v7/filebeat/cmd"
	"github.com/elastic/beats/v7/filebeat/input/filestream"
	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/paths"
)

func inputs(_ beat.Info, log *logp.Logger, states statestore.States, _ *paths.Path) []v2.Plugin {
	return []v2.Plugin{filestream.Plugin(log, states)}
}

func main() {
	if err := cmd.Filebeat(inputs, cmd.FilebeatSettings("")).Execute(); err != nil {
		os.Exit(1)
	}
}
