package bed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/garm-charms/garm-charms/tests/operator"
)

// Loki takes what is pushed to it, as Loki's push API does (Loki docs/sources/reference/loki-http-api.md).
type Loki struct {
	// URL is where logs are pushed.
	URL string

	mu    sync.Mutex
	lines []string // labels, then the line
}

// StartLoki listens at the gateway until the bed is closed.
func (b *Bed) StartLoki() (*Loki, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(b.network.Gateway().String(), "0"))
	if err != nil {
		return nil, fmt.Errorf("cannot start Loki: %w", err)
	}
	l := &Loki{URL: "http://" + listener.Addr().String() + "/loki/api/v1/push"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/push", l.push)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // it ends when it is closed
	b.closers = append(b.closers, server.Close)
	return l, nil
}

func (l *Loki) push(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Streams []struct {
			Stream map[string]string `json:"stream"`
			Values [][]string        `json:"values"`
		} `json:"streams"`
	}
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stream := range body.Streams {
		labels, err := json.Marshal(stream.Stream)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, value := range stream.Values {
			l.lines = append(l.lines, string(labels)+" "+strings.Join(value[1:], " "))
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// Lines returns what was pushed so far: each line after its labels.
func (l *Loki) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// loki start NAME | wait NAME PATTERN: until a line matches, which is printed after its labels | forget NAME
func (s *Script) loki(args []string) (string, error) {
	if args[0] == "start" {
		started, err := s.StartLoki()
		if err != nil {
			return "", err
		}
		s.lokis[args[1]] = started
		return started.URL + "\n", nil
	}
	l, known := s.lokis[args[1]]
	if !known {
		return "", fmt.Errorf("cannot find a Loki called %s", args[1])
	}
	switch args[0] {
	case "forget":
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = nil
		return "", nil
	case "count":
		return fmt.Sprintln(len(l.Lines())), nil
	case "wait":
		return l.wait(s.ctx, strings.Join(args[2:], " "))
	}
	return "", fmt.Errorf("unknown: loki %s", args[0])
}

func (l *Loki) wait(ctx context.Context, pattern string) (string, error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	found := ""
	err = operator.Until(ctx, func() error {
		for _, line := range l.Lines() {
			if match.MatchString(line) {
				found = line + "\n"
				return nil
			}
		}
		return fmt.Errorf("none of the %d lines that were pushed matches %s", len(l.Lines()), pattern)
	})
	return found, err
}
