/** Loaded before all else: the runtime's library is missing, as on a platform that it was not built for. */
const open = process.dlopen;
process.dlopen = (module, file, ...rest) => {
  if (String(file).includes("onnxruntime"))
    throw new Error("libonnxruntime.so.1: cannot open shared object file");
  return open.call(process, module, file, ...rest);
};
