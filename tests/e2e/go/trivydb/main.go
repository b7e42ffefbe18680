// trivydb writes a vulnerability database for Trivy: the bbolt file FILE, from a JSON list of entries on stdin.
//
// An entry is a key and its value, and the buckets that hold them, the outermost first.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"go.etcd.io/bbolt"
)

type entry struct {
	Buckets []string        `json:"buckets"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: trivydb FILE < entries.json")
	}
	var entries []entry
	if err := json.NewDecoder(os.Stdin).Decode(&entries); err != nil {
		log.Fatalf("entries: %v", err)
	}
	if err := write(os.Args[1], entries); err != nil {
		log.Fatal(err)
	}
}

func write(file string, entries []entry) error {
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bbolt.Tx) error {
		for _, each := range entries {
			if err := put(tx, each); err != nil {
				return fmt.Errorf("%v %q: %w", each.Buckets, each.Key, err)
			}
		}
		return nil
	})
}

func put(tx *bbolt.Tx, each entry) error {
	if len(each.Buckets) == 0 {
		return fmt.Errorf("no bucket")
	}
	bucket, err := tx.CreateBucketIfNotExists([]byte(each.Buckets[0]))
	for _, name := range each.Buckets[1:] {
		if err != nil {
			return err
		}
		bucket, err = bucket.CreateBucketIfNotExists([]byte(name))
	}
	if err != nil {
		return err
	}
	return bucket.Put([]byte(each.Key), each.Value)
}
