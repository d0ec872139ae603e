package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// The range for tests of networks, which leads nowhere (RFC 2544, RFC 6890).
var testRange = netip.MustParsePrefix("198.18.0.0/15")

// The versions of the CNI specification whose results have the shape of ours.
var versions = []string{"0.3.1", "0.4.0", "1.0.0", "1.1.0"}

type networkInterface struct {
	Name    string `json:"name"`
	Sandbox string `json:"sandbox"`
}

type address struct {
	Interface int    `json:"interface"`
	Address   string `json:"address"`
}

type result struct {
	CNIVersion string             `json:"cniVersion"`
	Interfaces []networkInterface `json:"interfaces"`
	IPs        []address          `json:"ips"`
}

// plugin answers a container runtime (CNI specification, section 2). Pods have no interface but lo: what runs in them
// reaches nobody. The address that a container runtime insists on is made up from the container's name.
func plugin(name string) error {
	var configuration struct {
		CNIVersion string `json:"cniVersion"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&configuration); err != nil {
		return err
	}
	switch order := os.Getenv("CNI_COMMAND"); order {
	case "VERSION":
		return json.NewEncoder(os.Stdout).Encode(map[string]any{
			"cniVersion": configuration.CNIVersion, "supportedVersions": versions,
		})
	case "ADD":
	case "CHECK", "DEL", "STATUS", "GC":
		return nil
	default:
		return fmt.Errorf("unknown order %q", order)
	}

	sandbox := os.Getenv("CNI_NETNS")
	added := result{CNIVersion: configuration.CNIVersion}
	added.Interfaces = []networkInterface{{Name: os.Getenv("CNI_IFNAME"), Sandbox: sandbox}}
	given := "127.0.0.1/8"
	if name == "loopback" {
		if err := raiseLoopback(sandbox); err != nil {
			return err
		}
	} else {
		given = madeUp(os.Getenv("CNI_CONTAINERID")).String() + "/32"
	}
	// Before 1.0.0 every address had a version.
	if configuration.CNIVersion < "1" {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{
			"cniVersion": added.CNIVersion, "interfaces": added.Interfaces,
			"ips": []map[string]any{{"version": "4", "interface": 0, "address": given}},
		})
	}
	added.IPs = []address{{Interface: 0, Address: given}}
	return json.NewEncoder(os.Stdout).Encode(added)
}

func madeUp(container string) netip.Addr {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(container))
	bytes := testRange.Addr().As4()
	number := hash.Sum32() % (1 << (32 - testRange.Bits()))
	bytes[1] += byte(number >> 16)
	bytes[2], bytes[3] = byte(number>>8), byte(number)
	return netip.AddrFrom4(bytes)
}

// raiseLoopback makes lo of a network namespace usable.
func raiseLoopback(sandbox string) error {
	// The thread ends with this process, so it need not find its way back.
	runtime.LockOSThread()
	namespace, err := os.Open(sandbox)
	if err != nil {
		return err
	}
	defer namespace.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("cannot enter %s: %w", sandbox, err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("cannot raise lo: %w", err)
	}
	return nil
}
