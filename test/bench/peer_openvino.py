"""OpenVINO's half of a comparison (peer_common.py), run by the Python of build/openvino.

Timed is what OpenVINO GenAI says that inference took: without tokenization, sampling and
Python. It reads a GGUF file itself, and has no cache to rewind: every run is a generation
of its own, whose first inference takes in the prompt. Depth 0 is a prompt of one token.
"""

import sys

import numpy as np
import openvino
import openvino_genai as genai
import peer_common


class Peer:
    def __init__(self, model, threads, context, sequences):
        if sequences > 1:
            sys.stderr.write("OpenVINO: sequences at once are not compared\n")
            sys.exit(peer_common.UNSUPPORTED)
        scheduler = genai.SchedulerConfig()
        # Or the second run of a prompt would compute nothing; and a prompt in one step.
        scheduler.enable_prefix_caching = False
        scheduler.max_num_batched_tokens = max(context, 256)
        try:
            self.pipeline = genai.LLMPipeline(model, "CPU", scheduler_config=scheduler,
                                              INFERENCE_NUM_THREADS=threads)
        except Exception as error:  # its errors have no common type
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            sys.stderr.write(f"OpenVINO GenAI {genai.__version__} cannot load {model}: "
                             f"{lines[-1] if lines else type(error).__name__}\n")
            sys.exit(peer_common.UNSUPPORTED)
        vocab = len(self.pipeline.get_tokenizer().get_vocab())
        self.ids = np.array([peer_common.token_ids(context, vocab)], np.int64)

    def generate(self, prompt, new):
        """Seconds of each inference: the prompt's, then one for each further token."""
        config = genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = new, True, False
        ids = np.ascontiguousarray(self.ids[:, :prompt])
        result = self.pipeline.generate(
            genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids))), config)
        seconds = [us / 1e6 for us in result.perf_metrics.raw_metrics.token_infer_durations]
        if len(seconds) != new:
            sys.exit(f"OpenVINO GenAI timed {len(seconds)} inferences, not {new}")
        return seconds

    def prefill(self, count):
        return sum(self.generate(count, 1))

    def fill(self, depth, batch):
        pass

    def decode(self, depth, count, batch):
        return sum(self.generate(max(depth, 1), count + 1)[1:])

    def system(self):
        return f"OpenVINO GenAI {genai.__version__}"


if __name__ == "__main__":
    peer_common.run(Peer)
