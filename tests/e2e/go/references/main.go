// Command references says how distribution/reference, the parser of containerd and the kubelet, reads an image.
//
// It reads one JSON string per line and prints one JSON object per line:
//
//	{"input":"nginx:1","ok":true,"domain":"docker.io","path":"library/nginx","tag":"1","digest":"",…}
//	{"input":"Nginx","ok":false,"error":"…"}
package main

import (
	"bufio"
	// A digest is valid only when its hash is linked in. containerd and the kubelet link all three;
	// crypto/sha512 registers SHA-384 too.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/distribution/reference"
)

type accepted struct {
	Input    string `json:"input"`
	OK       bool   `json:"ok"`
	Domain   string `json:"domain"`
	Path     string `json:"path"`
	Tag      string `json:"tag"`
	Digest   string `json:"digest"`
	String   string `json:"string"`
	Familiar string `json:"familiar"`
}

type refused struct {
	Input string `json:"input"`
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

func read(input string) any {
	named, err := reference.ParseNormalizedNamed(input)
	if err != nil {
		return refused{Input: input, Error: err.Error()}
	}
	answer := accepted{
		Input:    input,
		OK:       true,
		Domain:   reference.Domain(named),
		Path:     reference.Path(named),
		String:   named.String(),
		Familiar: reference.FamiliarString(named),
	}
	if tagged, ok := named.(reference.Tagged); ok {
		answer.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		answer.Digest = digested.Digest().String()
	}
	return answer
}

func run(in io.Reader, out io.Writer) error {
	inputs := json.NewDecoder(in)
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	for {
		var input string
		if err := inputs.Decode(&input); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(read(input)); err != nil {
			return err
		}
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	err := run(os.Stdin, out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "references:", err)
		os.Exit(1)
	}
}
