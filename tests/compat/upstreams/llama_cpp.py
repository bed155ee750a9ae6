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
# Always the most likely word. By chance, so small a model now and then says nothing at all.
params.sampling.temp = 0.0
params.path_prompts_log_dir = prompts
server = xllamacpp.Server(params)
signal.pause()
