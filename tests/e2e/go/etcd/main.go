// Command etcd is the key-value store of the test cluster, with the flags of the upstream server.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
