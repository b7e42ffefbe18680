// Command manifests says how kubectl's decoder reads the text of a manifest file.
//
// It reads one JSON string per line, a whole file, and prints one JSON object per line: the documents before the first
// that is wrong, and what is wrong with that:
//
//	{"input":"a: 1\n---\nb: [","documents":[{"a":1}],"error":"…"}
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type answer struct {
	Input     string            `json:"input"`
	Documents []json.RawMessage `json:"documents"`
	Error     string            `json:"error,omitempty"`
}

// read does what resource.StreamVisitor of k8s.io/cli-runtime does before it looks at a document.
func read(input string) answer {
	result := answer{Input: input, Documents: []json.RawMessage{}}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(input), 4096)
	for {
		var document runtime.RawExtension
		if err := decoder.Decode(&document); err != nil {
			if !errors.Is(err, io.EOF) {
				result.Error = err.Error()
			}
			return result
		}
		text := bytes.TrimSpace(document.Raw)
		if len(text) == 0 || bytes.Equal(text, []byte("null")) {
			continue
		}
		result.Documents = append(result.Documents, text)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var input string
		if err := json.Unmarshal(lines.Bytes(), &input); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := encoder.Encode(read(input)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
