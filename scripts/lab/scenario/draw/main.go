// Command draw plays the scenario of package scenario and puts the graph that
// heptap made of it into README.md, as a picture. What heptap missed, or made up, is
// said, and nothing is drawn.
//
//	go run ./scripts/lab/scenario/draw      # as root
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"heptap/scripts/lab/box"
	"heptap/scripts/lab/scenario"
)

func main() {
	err := draw()
	box.RemoveBuilt()
	if err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

func draw() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	binary, err := box.Binary()
	if err != nil {
		return err
	}
	r, err := scenario.Run(ctx, binary)
	if err != nil {
		return err
	}
	if wrong := r.Expected.With(r.Replayed).Differences(r.Replayed); len(wrong) > 0 {
		for _, w := range wrong {
			fmt.Fprintln(os.Stderr, w)
		}
		return fmt.Errorf("%d differences from what happened", len(wrong))
	}
	return scenario.Draw(r.Replayed.Mermaid())
}
