/* libtorch.so with nothing in it: takes the place of the wheel's own on a CPU (native_code.h). */
extern const int mrun_torch_stand_in;
__attribute__((visibility("default"))) const int mrun_torch_stand_in = 1;
