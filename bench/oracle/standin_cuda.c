#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
/* A CUDA device that exists only for questions: enough of the CUDA runtime, driver and cuBLAS libraries for llama.cpp's CUDA
 * backend to load, describe a device and plan its memory. No kernel ever runs and no device memory is ever handed out.
 *
 * The properties are an RTX 4090's: compute capability 8.9, 128 multiprocessors, 24 GiB (CUDA C Programming Guide, table of
 * compute capabilities). STANDIN_CUDA_DEVICES sets how many devices there are, 1 by default.
 * Offsets of struct cudaDeviceProp: CUDA 13.0, driver_types.h.
 * Built three times, as libcudart.so.13, libcublas.so.13 and libcuda.so.1; the functions of the others do no harm. */
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>

static const size_t k_device_memory = (size_t)24 << 30;

int cudaGetDeviceCount(int* count)
{
  const char* text = getenv("STANDIN_CUDA_DEVICES");
  *count = text ? atoi(text) : 1;
  return 0;
}

int cudaGetDeviceProperties(char* properties, int device)
{
  (void)device;
  memset(properties, 0, 1008);
  strcpy(properties, "Stand-in");
  memcpy(properties + 288, &k_device_memory, sizeof k_device_memory); /* totalGlobalMem */
  const size_t shared = 49152, shared_optin = 101376;
  memcpy(properties + 296, &shared, sizeof shared);             /* sharedMemPerBlock */
  memcpy(properties + 672, &shared_optin, sizeof shared_optin); /* sharedMemPerBlockOptin */
  const int warp = 32, major = 8, minor = 9, processors = 128;
  memcpy(properties + 308, &warp, sizeof warp);             /* warpSize */
  memcpy(properties + 360, &major, sizeof major);           /* major */
  memcpy(properties + 364, &minor, sizeof minor);           /* minor */
  memcpy(properties + 384, &processors, sizeof processors); /* multiProcessorCount */
  return 0;
}

int cudaMemGetInfo(size_t* free, size_t* total)
{
  *free = *total = k_device_memory;
  return 0;
}

int cudaDeviceGetAttribute(int* value, int attribute, int device)
{
  (void)attribute;
  (void)device;
  *value = 0;
  return 0;
}

int cudaDeviceGetPCIBusId(char* text, int length, int device)
{
  (void)device;
  if (length > 0) text[0] = 0;
  return 0;
}

static int s_device = 0;
int cudaSetDevice(int device)
{
  s_device = device;
  return 0;
}
int cudaGetDevice(int* device)
{
  *device = s_device;
  return 0;
}

int cudaDeviceCanAccessPeer(int* can, int a, int b)
{
  (void)a;
  (void)b;
  *can = 0;
  return 0;
}

static int allocate(void** pointer, size_t size)
{
  return posix_memalign(pointer, 4096, size ? size : 1) == 0 ? 0 : 2; /* pinned memory comes in pages */
}
int cudaMallocHost(void** pointer, size_t size) { return allocate(pointer, size); }
int cudaHostAlloc(void** pointer, size_t size, unsigned flags)
{
  (void)flags;
  return allocate(pointer, size);
}
int cudaFreeHost(void* pointer)
{
  free(pointer);
  return 0;
}
int cudaMalloc(void** pointer, size_t size)
{
  /* Address space without memory behind it: recurrent states are allocated even when nothing else is, and copies do nothing. */
  void* space = mmap(NULL, size ? size : 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) {
    *pointer = NULL;
    return 2; /* out of memory */
  }
  *pointer = space;
  return 0;
}

static int handle(void** out)
{
  *out = malloc(16);
  return *out ? 0 : 2;
}
int cudaStreamCreateWithFlags(void** stream, unsigned flags)
{
  (void)flags;
  return handle(stream);
}
int cudaStreamDestroy(void* stream)
{
  free(stream);
  return 0;
}
int cudaEventCreateWithFlags(void** event, unsigned flags)
{
  (void)flags;
  return handle(event);
}
int cudaEventDestroy(void* event)
{
  free(event);
  return 0;
}
int cublasCreate_v2(void** out) { return handle(out); }
int cublasDestroy_v2(void* pointer)
{
  free(pointer);
  return 0;
}

/* The highest compiled architecture is asked by the attributes of a kernel: binaryVersion is the fifth word after two size_t. */
int cudaFuncGetAttributes(char* attributes, const void* function)
{
  (void)function;
  memset(attributes, 0, 128);
  return 0;
}

const char* cudaGetErrorString(int error)
{
  return error ? "the stand-in device computes nothing" : "no error";
}
const char* cublasGetStatusString(int status)
{
  (void)status;
  return "stand-in";
}
int cuGetErrorString(int error, const char** text)
{
  *text = cudaGetErrorString(error);
  return 0;
}
int cuDeviceGet(int* device, int ordinal)
{
  *device = ordinal;
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) { return cudaDeviceGetAttribute(value, attribute, device); }

static char s_module[16];
void** __cudaRegisterFatBinary(void* binary)
{
  (void)binary;
  return (void**)s_module;
}

/* What llama.cpp links but a planner never calls, or calls and needs no answer of. */
#define NOTHING(name) \
  int name(void) { return 0; }
NOTHING(cuMemAddressFree)
NOTHING(cuMemAddressReserve)
NOTHING(cuMemCreate)
NOTHING(cuMemGetAllocationGranularity)
NOTHING(cuMemMap)
NOTHING(cuMemRelease)
NOTHING(cuMemSetAccess)
NOTHING(cuMemUnmap)
NOTHING(cublasGemmBatchedEx)
NOTHING(cublasGemmEx)
NOTHING(cublasGemmStridedBatchedEx)
NOTHING(cublasSetMathMode)
NOTHING(cublasSetStream_v2)
NOTHING(cublasSetWorkspace_v2)
NOTHING(cublasSgemmBatched)
NOTHING(cublasSgemmStridedBatched)
NOTHING(cublasSgemm_v2)
NOTHING(cublasStrsmBatched)
NOTHING(cudaDeviceEnablePeerAccess)
NOTHING(cudaDeviceSynchronize)
NOTHING(cudaEventRecord)
NOTHING(cudaEventSynchronize)
NOTHING(cudaFree)
NOTHING(cudaFuncSetAttribute)
NOTHING(cudaGetLastError)
NOTHING(cudaGraphDestroy)
NOTHING(cudaGraphExecDestroy)
NOTHING(cudaGraphExecUpdate)
NOTHING(cudaGraphInstantiate)
NOTHING(cudaGraphLaunch)
NOTHING(cudaHostGetDevicePointer)
NOTHING(cudaHostRegister)
NOTHING(cudaHostUnregister)
NOTHING(cudaLaunchCooperativeKernel)
NOTHING(cudaLaunchKernelExC)
NOTHING(cudaMallocManaged)
NOTHING(cudaMemcpy2DAsync)
NOTHING(cudaMemcpyAsync)
NOTHING(cudaMemcpyPeerAsync)
NOTHING(cudaMemset)
NOTHING(cudaMemsetAsync)
NOTHING(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)
NOTHING(cudaPeekAtLastError)
NOTHING(cudaSetDeviceFlags)
NOTHING(cudaStreamBeginCapture)
NOTHING(cudaStreamEndCapture)
NOTHING(cudaStreamIsCapturing)
NOTHING(cudaStreamSynchronize)
NOTHING(cudaStreamWaitEvent)
NOTHING(__cudaGetKernel)
NOTHING(__cudaLaunchKernel)
NOTHING(__cudaPopCallConfiguration)
NOTHING(__cudaPushCallConfiguration)
NOTHING(__cudaRegisterFatBinaryEnd)
NOTHING(__cudaRegisterFunction)
NOTHING(__cudaRegisterVar)
NOTHING(__cudaUnregisterFatBinary)
