// The pod-resources service of Kubernetes' own kubelet for nodes that have no kubelet: simulated ones and those of tests.
// What the kubelet would know of its node is read from a file; the protocol, the messages and the limit of 100 calls a
// second are the kubelet's own code. See README.md beside this file.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	podresourcesv1 "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/features"
	apisgrpc "k8s.io/kubernetes/pkg/kubelet/apis/grpc"
	"k8s.io/kubernetes/pkg/kubelet/apis/podresources"
)

// stateFile is what the kubelet of a node would know, beside the socket's directory.
const stateFile = "kubelet.json"

// device lists ids of one resource, as a device plugin names them.
type device struct {
	Resource string   `json:"resource"`
	IDs      []string `json:"ids"`
}

// dynamic is one ResourceClaim's devices.
type dynamic struct {
	Claim     string `json:"claim"`
	Namespace string `json:"namespace"`
	Driver    string `json:"driver"`
	Pool      string `json:"pool"`
	Device    string `json:"device"`
}

type container struct {
	Name    string    `json:"name"`
	Devices []device  `json:"devices"`
	Dynamic []dynamic `json:"dynamic"`
}

type pod struct {
	Namespace  string          `json:"namespace"`
	Name       string          `json:"name"`
	UID        string          `json:"uid"`
	Phase      corev1.PodPhase `json:"phase"`
	Containers []container     `json:"containers"`
}

type state struct {
	Pods        []pod    `json:"pods"`
	Allocatable []device `json:"allocatable"`
}

// node answers for one node. Its file is read again when it has changed.
type node struct {
	file     string
	mutex    sync.Mutex
	modified time.Time
	state    state
}

func (n *node) now() state {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	info, err := os.Stat(n.file)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}
	}
	if err != nil || info.ModTime().Equal(n.modified) {
		return n.state
	}
	text, err := os.ReadFile(n.file)
	if err == nil {
		read := state{}
		if err = json.Unmarshal(text, &read); err == nil {
			n.state, n.modified = read, info.ModTime()
		}
	}
	if err != nil {
		log.Printf("%s: %v; the state before it stands", n.file, err)
	}
	return n.state
}

func (p pod) object() *corev1.Pod {
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: types.UID(p.UID)},
		Status:     corev1.PodStatus{Phase: p.Phase},
	}
	for _, c := range p.Containers {
		object.Spec.Containers = append(object.Spec.Containers, corev1.Container{Name: c.Name})
	}
	return object
}

func (p pod) isTerminal() bool {
	return p.Phase == corev1.PodSucceeded || p.Phase == corev1.PodFailed
}

// GetPods includes pods that have ended and are not yet cleaned up, as the kubelet's does.
func (n *node) GetPods() []*corev1.Pod {
	objects := []*corev1.Pod{}
	for _, p := range n.now().Pods {
		objects = append(objects, p.object())
	}
	return objects
}

func (n *node) GetActivePods() []*corev1.Pod {
	objects := []*corev1.Pod{}
	for _, p := range n.now().Pods {
		if !p.isTerminal() {
			objects = append(objects, p.object())
		}
	}
	return objects
}

func (n *node) GetPodByName(namespace, name string) (*corev1.Pod, bool) {
	for _, p := range n.now().Pods {
		if p.Namespace == namespace && p.Name == name {
			return p.object(), true
		}
	}
	return nil, false
}

// UpdateAllocatedDevices has nothing to do: the file says who has what.
func (n *node) UpdateAllocatedDevices() {}

func (n *node) GetDevices(podUID, containerName string) []*podresourcesv1.ContainerDevices {
	c := n.container(podUID, containerName)
	return messages(c.Devices)
}

func (n *node) GetAllocatableDevices() []*podresourcesv1.ContainerDevices {
	return messages(n.now().Allocatable)
}

func messages(devices []device) []*podresourcesv1.ContainerDevices {
	all := []*podresourcesv1.ContainerDevices{}
	for _, d := range devices {
		all = append(all, &podresourcesv1.ContainerDevices{ResourceName: d.Resource, DeviceIds: d.IDs})
	}
	return all
}

func (n *node) GetDynamicResources(p *corev1.Pod, c *corev1.Container) []*podresourcesv1.DynamicResource {
	all := []*podresourcesv1.DynamicResource{}
	for _, d := range n.container(string(p.UID), c.Name).Dynamic {
		resource := &podresourcesv1.ClaimResource{DriverName: d.Driver, PoolName: d.Pool, DeviceName: d.Device}
		all = append(all, &podresourcesv1.DynamicResource{
			ClaimName: d.Claim, ClaimNamespace: d.Namespace,
			ClaimResources: []*podresourcesv1.ClaimResource{resource},
		})
	}
	return all
}

func (n *node) container(podUID, name string) container {
	for _, p := range n.now().Pods {
		for _, c := range p.Containers {
			if p.UID == podUID && c.Name == name {
				return c
			}
		}
	}
	return container{}
}

// processors: CPUs and memory are of no interest here.
type processors struct{}

func (processors) GetCPUs(_, _ string) []int64                           { return nil }
func (processors) GetAllocatableCPUs() []int64                           { return nil }
func (processors) GetMemory(_, _ string) []*podresourcesv1.ContainerMemory { return nil }
func (processors) GetAllocatableMemory() []*podresourcesv1.ContainerMemory { return nil }

func serve(ctx context.Context, directory string) error {
	sockets := filepath.Join(directory, "pod-resources")
	if err := os.MkdirAll(sockets, 0o755); err != nil {
		return err
	}
	socket := filepath.Join(sockets, "kubelet.sock")
	// As the kubelet does at its start: another socket takes the place of what was left.
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	n := &node{file: filepath.Join(directory, stateFile)}
	providers := podresources.PodResourcesProviders{
		Pods: n, Devices: n, Cpus: processors{}, Memory: processors{}, DynamicResources: n,
	}
	limit := apisgrpc.WithRateLimiter(ctx, "podresources", podresources.DefaultQPS, podresources.DefaultBurstTokens)
	server := grpc.NewServer(limit)
	podresourcesv1.RegisterPodResourcesListerServer(server, podresources.NewV1PodResourcesServer(ctx, providers))
	go func() {
		if err := server.Serve(listener); err != nil {
			log.Fatalf("%s: %v", socket, err)
		}
	}()
	return nil
}

func main() {
	log.SetFlags(0)
	listEnded := flag.Bool("list-ended", false, "list pods that have ended, too, as kubelets before 1.34 do")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "Serves the kubelet's pod-resources service for nodes without a kubelet.\n\n"+
			"Usage: %s [--list-ended] NODE-DIRECTORY...\n\n"+
			"For each directory: reads DIRECTORY/%s, serves DIRECTORY/pod-resources/kubelet.sock.\n\n", os.Args[0], stateFile)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *listEnded {
		gate := map[string]bool{string(features.KubeletPodResourcesListUseActivePods): false}
		if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(gate); err != nil {
			log.Fatal(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for _, directory := range flag.Args() {
		if err := serve(ctx, directory); err != nil {
			log.Fatalf("%s: %v", directory, err)
		}
	}
	log.Printf("serving the pod-resources of %d nodes", flag.NArg())
	<-ctx.Done()
}
