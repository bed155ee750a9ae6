"""llama.cpp's own HTTP server, with a file for every prompt that it reads."""

import signal
import sys

import xllamacpp

model, alias, port, key, prompts = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {alias}
params.port = int(port)
params.api_keys = [key]
params.n_ctx = 4096
params.n_parallel = 1
params.offline = True
params.path_prompts_log_dir = prompts
server = xllamacpp.Server(params)
signal.pause()
