// Command registry serves the distribution registry for one service over plain HTTP on loopback, with bearer
// tokens checked against a given key set.
//
// Only the storage drivers and the access controller that the test bed uses are linked in: the stock command
// brings the libraries of three clouds.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/middleware/redirect"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	addressFile := flag.String("address-file", "", "file to write the address to, once it is served")
	storage := flag.String("storage", "", "folder that holds the images (default: memory)")
	bucket := flag.String("bucket", "", "URL that downloads of blobs are redirected to (default: none)")
	realm := flag.String("realm", "", "URL of the token service, as told to clients")
	service := flag.String("service", "", "name of this registry, the audience of its tokens")
	issuer := flag.String("issuer", "", "issuer of its tokens")
	keys := flag.String("jwks", "", "file with the JSON Web Key Set of the issuer")
	flag.Parse()

	driver := configuration.Storage{"inmemory": configuration.Parameters{}}
	if *storage != "" {
		driver = configuration.Storage{"filesystem": configuration.Parameters{"rootdirectory": *storage}}
	}
	middleware := map[string][]configuration.Middleware{}
	if *bucket != "" {
		middleware["storage"] = []configuration.Middleware{
			{Name: "redirect", Options: configuration.Parameters{"baseurl": *bucket}},
		}
	}
	app := handlers.NewApp(context.Background(), &configuration.Configuration{
		Version:    configuration.CurrentVersion,
		Storage:    driver,
		Middleware: middleware,
		Auth: configuration.Auth{"token": configuration.Parameters{
			"realm":             *realm,
			"service":           *service,
			"issuer":            *issuer,
			"jwks":              *keys,
			"signingalgorithms": []any{"RS256"},
		}},
	})

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if *addressFile != "" {
		// Renamed into place: a reader sees either nothing or the whole address.
		partial := *addressFile + ".partial"
		if err := os.WriteFile(partial, []byte(listener.Addr().String()), 0o600); err != nil {
			log.Fatal(err)
		}
		if err := os.Rename(partial, *addressFile); err != nil {
			log.Fatal(err)
		}
	}
	log.Fatal(http.Serve(listener, app))
}
