package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
)

// doorDescriptor is where sandbox.World puts the one file it is given.
const doorDescriptor = 3

// openDoor listens on this machine's loopback address. In the world the socket is still this machine's.
func openDoor() (*os.File, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen for GARM's web page: %w", err)
	}
	defer listener.Close()
	return listener.(*net.TCPListener).File() //nolint:forcetypeassert // what net.Listen gives for tcp
}

// publish forwards what comes through the door to an address in the world, and returns the door's URL.
func publish(ctx context.Context, target string) (string, error) {
	listener, err := net.FileListener(os.NewFile(doorDescriptor, "door"))
	if err != nil {
		return "", fmt.Errorf("cannot open the door to GARM's web page: %w", err)
	}
	go func() {
		for {
			outer, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(ctx, outer, target)
		}
	}()
	context.AfterFunc(ctx, func() { listener.Close() })
	return "http://" + listener.Addr().String(), nil
}

func forward(ctx context.Context, outer net.Conn, target string) {
	defer outer.Close()
	var dialer net.Dialer
	inner, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return // the browser sees a closed connection
	}
	defer inner.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{outer, inner}, {inner, outer}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // ends with either side
			done <- struct{}{}
		}()
	}
	<-done
}
