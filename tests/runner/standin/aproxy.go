package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const aproxyName = "aproxy"

// aproxy passes connections that were redirected to it on through an HTTP proxy, as the program of that name does: the
// name to connect to is the one in the TLS greeting or in the HTTP request, the port is the one before the redirect.
// It records each connection: where it was going to, and the name.
func aproxy(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: aproxy LISTEN PROXY")
	}
	address, err := net.ResolveTCPAddr("tcp4", args[0])
	if err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp4", address)
	if err != nil {
		return err
	}
	for {
		c, err := listener.AcceptTCP()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := forward(c, args[1]); err != nil {
				fmt.Fprintf(os.Stderr, "cannot forward: %v\n", err)
			}
		}()
	}
}

func forward(c *net.TCPConn, proxy string) error {
	target, err := originalDestination(c)
	if err != nil {
		return fmt.Errorf("cannot find the original destination: %w", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	seen := &bytes.Buffer{}
	host := serverName(bufio.NewReader(io.TeeReader(c, seen)))
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if seen.Len() == 0 {
		return nil // somebody who looked whether aproxy listens
	}
	if err := recordCall(aproxyName, []string{target.String(), host}, 0); err != nil {
		return err
	}
	if host == "" {
		host = target.Addr().String()
	}
	up, err := dial(proxy, fmt.Sprintf("%s:%d", host, target.Port()))
	if err != nil {
		return err
	}
	defer up.Close()
	go func() {
		_, _ = io.Copy(up, io.MultiReader(seen, c)) // either end may go away at any time
		_ = up.CloseWrite()
	}()
	_, err = io.Copy(c, up)
	return err
}

// originalDestination asks the kernel where a redirected connection was going to: SO_ORIGINAL_DST of
// linux/netfilter_ipv4.h, which answers with a sockaddr_in.
func originalDestination(c *net.TCPConn) (netip.AddrPort, error) {
	const option = 80
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	var addr syscall.RawSockaddrInet4
	size := uint32(unsafe.Sizeof(addr))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_IP, option,
			uintptr(unsafe.Pointer(&addr)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	port := (*[2]byte)(unsafe.Pointer(&addr.Port))
	return netip.AddrPortFrom(netip.AddrFrom4(addr.Addr), uint16(port[0])<<8|uint16(port[1])), err
}

// serverName is the name that a client says it wants, or nothing.
func serverName(r *bufio.Reader) string {
	const handshake = 22 // RFC 8446, 5.1
	if first, err := r.Peek(1); err != nil || first[0] != handshake {
		request, err := http.ReadRequest(r)
		if err != nil {
			return ""
		}
		host, _, _ := strings.Cut(request.Host, ":")
		return host
	}
	var name string
	heard := errors.New("heard the name")
	_ = tls.Server(listening{r}, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name = hello.ServerName
		return nil, heard
	}}).Handshake() // it always ends in an error: the name is all that is wanted of it
	return name
}

// listening is a connection that only listens.
type listening struct{ io.Reader }

func (listening) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (listening) Close() error                     { return nil }
func (listening) LocalAddr() net.Addr              { return nil }
func (listening) RemoteAddr() net.Addr             { return nil }
func (listening) SetDeadline(time.Time) error      { return nil }
func (listening) SetReadDeadline(time.Time) error  { return nil }
func (listening) SetWriteDeadline(time.Time) error { return nil }

// dial connects to target through the proxy "[user:password@]host:port".
func dial(proxy, target string) (*net.TCPConn, error) {
	account, address, found := strings.Cut(proxy, "@")
	if !found {
		account, address = "", proxy
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	c, err := net.DialTCP("tcp", nil, resolved)
	if err != nil {
		return nil, err
	}
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if account != "" {
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(account)) + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	status, err := readHead(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if fields := strings.Fields(status); len(fields) < 2 || fields[1] != "200" {
		return nil, errors.Join(fmt.Errorf("proxy refuses %s: %q", target, status), c.Close())
	}
	return c, nil
}

// readHead reads an answer byte by byte up to the empty line, as what follows belongs to the client.
func readHead(r io.Reader) (string, error) {
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(r, one); err != nil {
			return "", err
		}
		if head = append(head, one[0]); len(head) > 16384 {
			return "", errors.New("the proxy's answer is too long")
		}
	}
	status, _, _ := strings.Cut(string(head), "\r\n")
	return status, nil
}
