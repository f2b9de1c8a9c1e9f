// NVIDIA's Go bindings of NVML and their examples, as Go tools; no Go code of ours. tests/clients builds them.
// To move to another release, change the number and run `go mod tidy`.
module concord.dev/nvml-clients

go 1.26.7

tool (
	github.com/NVIDIA/go-nvml/examples/compute-processes
	github.com/NVIDIA/go-nvml/examples/devices
)

require github.com/NVIDIA/go-nvml v0.13.4-1 // indirect
