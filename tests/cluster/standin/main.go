// What stands in for the hosts on the internet that a machine asks when it is made a cluster (tests/cluster): files, container
// registries, and Debian's archive, which is asked for real and kept. Everything that is asked is a line on standard output.
//
//	standin serve ADDRESS CERTIFICATE KEY FILES IMAGES FETCH   FILES/HOST/PATH; IMAGES/*.tar, OCI archives by their full names;
//	                                                           FETCH: the socket of the other one. ADDRESS without a port
//	standin fetch SOCKET CACHE                                 runs where the internet is, and asks only Debian's two hosts
package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The hosts that are asked for real.
var debian = map[string]bool{"deb.debian.org": true, "security.debian.org": true}

// A piece of an archive on disk.
type piece struct {
	file         string
	offset, size int64
}

// What the registries have: blobs by digest, and manifests' descriptors by "HOST/NAME:TAG".
type registry struct {
	blobs     map[string]piece
	manifests map[string]descriptor
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

func (r *registry) read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var index struct{ Manifests []descriptor }
	for archive := tar.NewReader(f); ; {
		head, err := archive.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if digest, is := strings.CutPrefix(head.Name, "blobs/sha256/"); is {
			at, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			r.blobs["sha256:"+digest] = piece{file, at, head.Size}
		} else if head.Name == "index.json" {
			if err := json.NewDecoder(archive).Decode(&index); err != nil {
				return err
			}
		}
	}
	for _, manifest := range index.Manifests {
		r.manifests[manifest.Annotations["io.containerd.image.name"]] = manifest
	}
	return nil
}

// The part of the distribution protocol by which images are pulled.
func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	path := strings.TrimPrefix(q.URL.Path, "/v2/")
	if path == "" {
		return
	}
	for _, kind := range []string{"/manifests/", "/blobs/"} {
		name, reference, is := strings.Cut(path, kind)
		if !is {
			continue
		}
		digest, media := reference, "application/octet-stream"
		if kind == "/manifests/" {
			media = "application/vnd.oci.image.manifest.v1+json"
			if !strings.HasPrefix(reference, "sha256:") {
				digest = r.manifests[strings.TrimPrefix(q.Host, "registry-1.")+"/"+name+":"+reference].Digest
			}
		}
		if blob, there := r.blobs[digest]; there {
			f, err := os.Open(blob.file)
			if err != nil {
				break
			}
			defer f.Close()
			w.Header().Set("Content-Type", media)
			w.Header().Set("Docker-Content-Digest", digest)
			http.ServeContent(w, q, "", time.Time{}, io.NewSectionReader(f, blob.offset, blob.size))
			return
		}
	}
	http.NotFound(w, q)
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) { r.status = status; r.ResponseWriter.WriteHeader(status) }

func recorded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r := &recorder{w, http.StatusOK}
		h.ServeHTTP(r, q)
		fmt.Printf("%d %s %s%s\n", r.status, q.Method, q.Host, q.URL.Path)
	})
}

func serve(address, certificate, key, files, images, fetch string) error {
	known := &registry{map[string]piece{}, map[string]descriptor{}}
	archives, err := filepath.Glob(filepath.Join(images, "*.tar"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := known.read(archive); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	asked := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.Host },
		Transport: &http.Transport{Dial: func(string, string) (net.Conn, error) {
			return net.Dial("unix", fetch)
		}},
	}
	handler := recorded(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case debian[q.Host]:
			asked.ServeHTTP(w, q)
		case strings.HasPrefix(q.URL.Path, "/v2/"):
			known.ServeHTTP(w, q)
		default:
			http.FileServer(http.Dir(filepath.Join(files, filepath.Base(q.Host)))).ServeHTTP(w, q)
		}
	}))
	ended := make(chan error)
	go func() { ended <- http.ListenAndServe(address+":80", handler) }()
	go func() { ended <- http.ListenAndServeTLS(address+":443", certificate, key, handler) }()
	return <-ended
}

// A package never changes under its name; a list does, and its last state serves when there is no network.
func fetch(socket, cache string) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !debian[q.Host] || q.Method != http.MethodGet || strings.Contains(q.URL.Path, "..") {
			http.Error(w, "only Debian's archive", http.StatusForbidden)
			return
		}
		kept := filepath.Join(cache, q.Host, q.URL.Path)
		if _, err := os.Stat(kept); err != nil || !strings.HasSuffix(kept, ".deb") {
			if status, err := keep("http://"+q.Host+q.URL.Path, kept); err != nil {
				log.Print(err)
			} else if status != http.StatusOK {
				http.Error(w, http.StatusText(status), status)
				return
			}
		}
		http.ServeFile(w, q, kept)
	}))
}

func keep(url, file string) (int, error) {
	answer, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return 0, err
	}
	part, err := os.CreateTemp(filepath.Dir(file), ".part")
	if err != nil {
		return 0, err
	}
	defer os.Remove(part.Name())
	if _, err := io.Copy(part, answer.Body); err != nil {
		return 0, err
	}
	if changed, err := http.ParseTime(answer.Header.Get("Last-Modified")); err == nil {
		defer os.Chtimes(file, changed, changed)
	}
	return http.StatusOK, os.Rename(part.Name(), file)
}

func main() {
	a := os.Args[1:]
	switch {
	case len(a) == 7 && a[0] == "serve":
		log.Fatal(serve(a[1], a[2], a[3], a[4], a[5], a[6]))
	case len(a) == 3 && a[0] == "fetch":
		log.Fatal(fetch(a[1], a[2]))
	default:
		log.Fatal("usage: standin serve ADDRESS CERTIFICATE KEY FILES IMAGES FETCH | standin fetch SOCKET CACHE")
	}
}
