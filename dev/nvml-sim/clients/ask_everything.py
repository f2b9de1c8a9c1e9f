"""Asks NVML's official Python bindings (nvidia-ml-py) for everything a monitor wants, and prints what they answered.

Run with LD_LIBRARY_PATH set to a folder with libnvidia-ml.so.1. One line for each call: device, call, answer; a call that
NVML refuses is answered with its error. The exit code is not 0 when a function is missing or Python cannot read an answer.
"""

import ctypes
import sys

import pynvml as nvml

failures = 0


def plain(value):
    """Structures and lists as text."""
    if isinstance(value, ctypes._SimpleCData):
        return str(value.value)
    if isinstance(value, (list, tuple, ctypes.Array)):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    if isinstance(value, bytes):
        return value.decode()
    fields = getattr(value, "_fields_", None)
    if fields:
        return "{" + ", ".join(f"{name}={plain(getattr(value, name))}" for name, *_ in fields) + "}"
    if hasattr(value, "__dict__") and not isinstance(value, (int, float, str)):
        return "{" + ", ".join(f"{name}={plain(item)}" for name, item in sorted(vars(value).items())) + "}"
    return str(value)


def ask(who, name, *arguments):
    """Calls a function and prints its answer, which is also returned; None when NVML refuses."""
    global failures
    function = getattr(nvml, name, None)
    if function is None:
        return None
    try:
        answer = function(*arguments)
    except nvml.NVMLError_FunctionNotFound:
        failures += 1
        print(f"{who}\t{name}\tMISSING")
    except nvml.NVMLError as error:
        print(f"{who}\t{name}\terror {error.value}: {error}")
    except Exception as error:  # What the bindings cannot read is a fault of the library.
        failures += 1
        print(f"{who}\t{name}\tUNREADABLE {type(error).__name__}: {error}")
    else:
        print(f"{who}\t{name}\t{plain(answer)}")
        return answer
    return None


DEVICE_CALLS = [
    ("nvmlDeviceGetName",), ("nvmlDeviceGetUUID",), ("nvmlDeviceGetSerial",), ("nvmlDeviceGetIndex",),
    ("nvmlDeviceGetMinorNumber",), ("nvmlDeviceGetModuleId",), ("nvmlDeviceGetBrand",), ("nvmlDeviceGetArchitecture",),
    ("nvmlDeviceGetCudaComputeCapability",), ("nvmlDeviceGetBoardPartNumber",), ("nvmlDeviceGetBoardId",),
    ("nvmlDeviceGetVbiosVersion",), ("nvmlDeviceGetInforomImageVersion",), ("nvmlDeviceGetInforomVersion", 0),
    ("nvmlDeviceGetPciInfo",), ("nvmlDeviceGetNumGpuCores",), ("nvmlDeviceGetMemoryBusWidth",),
    ("nvmlDeviceGetPersistenceMode",), ("nvmlDeviceGetComputeMode",), ("nvmlDeviceGetDisplayMode",),
    ("nvmlDeviceGetDisplayActive",), ("nvmlDeviceGetVirtualizationMode",), ("nvmlDeviceGetAccountingMode",),
    ("nvmlDeviceGetFanSpeed",), ("nvmlDeviceGetNumFans",),
    ("nvmlDeviceGetPowerUsage",), ("nvmlDeviceGetTotalEnergyConsumption",), ("nvmlDeviceGetPowerManagementLimit",),
    ("nvmlDeviceGetPowerManagementDefaultLimit",), ("nvmlDeviceGetPowerManagementLimitConstraints",),
    ("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetTemperature", 0), ("nvmlDeviceGetTemperatureThreshold", 0),
    ("nvmlDeviceGetTemperatureThreshold", 1), ("nvmlDeviceGetPerformanceState",), ("nvmlDeviceGetPowerState",),
    ("nvmlDeviceGetClockInfo", 0), ("nvmlDeviceGetClockInfo", 1), ("nvmlDeviceGetClockInfo", 2),
    ("nvmlDeviceGetClockInfo", 3), ("nvmlDeviceGetMaxClockInfo", 1), ("nvmlDeviceGetClock", 1, 0),
    ("nvmlDeviceGetApplicationsClock", 1), ("nvmlDeviceGetCurrentClocksThrottleReasons",),
    ("nvmlDeviceGetCurrentClocksEventReasons",), ("nvmlDeviceGetSupportedClocksThrottleReasons",),
    ("nvmlDeviceGetViolationStatus", 0), ("nvmlDeviceGetViolationStatus", 1),
    ("nvmlDeviceGetUtilizationRates",), ("nvmlDeviceGetEncoderUtilization",), ("nvmlDeviceGetDecoderUtilization",),
    ("nvmlDeviceGetProcessUtilization", 0), ("nvmlDeviceGetSamples", 0, 0), ("nvmlDeviceGetMemoryInfo",),
    ("nvmlDeviceGetMemoryInfo", nvml.nvmlMemory_v2), ("nvmlDeviceGetBAR1MemoryInfo",),
    ("nvmlDeviceGetComputeRunningProcesses",), ("nvmlDeviceGetGraphicsRunningProcesses",),
    ("nvmlDeviceGetMPSComputeRunningProcesses",), ("nvmlDeviceGetEccMode",), ("nvmlDeviceGetTotalEccErrors", 0, 0),
    ("nvmlDeviceGetTotalEccErrors", 1, 1), ("nvmlDeviceGetMemoryErrorCounter", 1, 0, 2),
    ("nvmlDeviceGetDetailedEccErrors", 0, 0), ("nvmlDeviceGetRetiredPages", 0), ("nvmlDeviceGetRemappedRows",),
    ("nvmlDeviceGetRowRemapperHistogram",), ("nvmlDeviceGetCurrPcieLinkGeneration",),
    ("nvmlDeviceGetCurrPcieLinkWidth",), ("nvmlDeviceGetMaxPcieLinkGeneration",), ("nvmlDeviceGetPcieThroughput", 0),
    ("nvmlDeviceGetPcieReplayCounter",), ("nvmlDeviceGetNvLinkState", 0), ("nvmlDeviceGetNvLinkVersion", 0),
    ("nvmlDeviceGetNvLinkRemoteDeviceType", 0), ("nvmlDeviceGetNvLinkErrorCounter", 0, 0),
    ("nvmlDeviceGetNumaNodeId",), ("nvmlDeviceGetCpuAffinity", 1), ("nvmlDeviceGetMigMode",),
    ("nvmlDeviceGetMaxMigDeviceCount",), ("nvmlDeviceGetSupportedEventTypes",),
    ("nvmlDeviceGetFieldValues", [82, 83, (186, 0), (186, 2), 193, 230, 9999]),
]

MIG_CALLS = [
    ("nvmlDeviceGetName",), ("nvmlDeviceGetUUID",), ("nvmlDeviceGetGpuInstanceId",), ("nvmlDeviceGetComputeInstanceId",),
    ("nvmlDeviceGetAttributes",), ("nvmlDeviceGetMemoryInfo",), ("nvmlDeviceGetComputeRunningProcesses",),
    ("nvmlDeviceGetPowerUsage",), ("nvmlDeviceGetTotalEnergyConsumption",), ("nvmlDeviceGetUtilizationRates",),
    ("nvmlDeviceIsMigDeviceHandle",),
]


def events(device):
    """Registers for XIDs, and waits for none."""
    events_of = ask("events", "nvmlEventSetCreate")
    ask("events", "nvmlDeviceRegisterEvents", device, nvml.nvmlEventTypeXidCriticalError, events_of)
    ask("events", "nvmlEventSetWait_v2", events_of, 1)
    ask("events", "nvmlEventSetFree", events_of)


def main():
    nvml.nvmlInit()
    for name in ("nvmlSystemGetDriverVersion", "nvmlSystemGetNVMLVersion", "nvmlSystemGetCudaDriverVersion_v2",
                 "nvmlDeviceGetCount", "nvmlUnitGetCount"):
        ask("system", name)
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        for name, *arguments in DEVICE_CALLS:
            ask(f"gpu {index}", name, device, *arguments)
        for process in ask(f"gpu {index}", "nvmlDeviceGetComputeRunningProcesses", device) or []:
            ask(f"gpu {index}", "nvmlSystemGetProcessName", process.pid)
        uuid = nvml.nvmlDeviceGetUUID(device)
        ask(f"gpu {index}", "nvmlDeviceGetHandleByUUID", uuid)
        ask(f"gpu {index}", "nvmlDeviceGetHandleByPciBusId", nvml.nvmlDeviceGetPciInfo(device).busId)
        for mig in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device)):
            part = ask(f"gpu {index} mig {mig}", "nvmlDeviceGetMigDeviceHandleByIndex", device, mig)
            for name, *arguments in MIG_CALLS if part is not None else []:
                ask(f"gpu {index} mig {mig}", name, part, *arguments)
        events(device)
    nvml.nvmlShutdown()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
