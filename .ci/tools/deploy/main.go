// Command deploy checks the files in deploy/ as far as that goes without a container engine.
//
//	go run . DIR          check the files in DIR
//	go run . runs FILE    print the commands of a Containerfile's build stage, a line each
//	go run . static FILE  check that a program is static and says so
package main

import (
	"fmt"
	"os"
)

func main() {
	problems, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(2)
	}
	for _, problem := range problems {
		fmt.Println(problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func run(args []string) ([]string, error) {
	switch {
	case len(args) == 2 && args[0] == "runs":
		return nil, printRuns(args[1])
	case len(args) == 2 && args[0] == "static":
		return checkStatic(args[1])
	case len(args) == 1:
		return checkFiles(args[0])
	default:
		return nil, fmt.Errorf("usage: deploy DIR | runs FILE | static FILE")
	}
}
