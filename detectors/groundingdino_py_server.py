"""Runs in the interpreter that has `groundingdino-py`; answers `groundingdino_py.py` over its pipes.

Argument: the options as JSON. Requests on standard input: a line of JSON, then height * width * 3 bytes of RGB.
Answers on standard output: one line of JSON each. Imports nothing of Baton, as it has another interpreter.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(options: dict[str, Any]) -> None:
    # The package prints; only answers may reach the pipe.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        pipe.write(json.dumps(fields) + "\n")
        pipe.flush()

    try:
        import groundingdino
        import numpy as np
        import torch
        from groundingdino.datasets import transforms
        from groundingdino.util.inference import predict
        from PIL import Image
    except ImportError as error:
        answer(error="package", message=f"groundingdino-py cannot be imported in {sys.executable}: {error}")
        return
    if not Path(options["weights"]).is_file():
        answer(error="missing", message=f"GroundingDINO checkpoint {options['weights']!r} does not exist")
        return
    try:
        model = load(groundingdino, options)
    except Exception as error:  # whatever torch.load and the package raise for a file that is none
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"{options['weights']!r} cannot be loaded by groundingdino-py: {reason}"
        answer(error="damaged", message=message)
        return
    answer(ready=True)
    prepare = transforms.Compose(
        [
            transforms.RandomResize([800], max_size=1333),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        height, width = request["height"], request["width"]
        pixels = np.frombuffer(sys.stdin.buffer.read(height * width * 3), np.uint8).reshape(height, width, 3)
        tensor, _ = prepare(Image.fromarray(pixels), None)
        boxes, scores, phrases = predict(
            model,
            tensor,
            request["phrase"],
            options["box_threshold"],
            options["text_threshold"],
            device=options["device"],
        )
        half = boxes[:, 2:] / 2
        corners = torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1).clamp(0, 1)
        corners = corners * torch.tensor([width, height, width, height])
        found = [
            [box, score, phrase]
            for box, score, phrase in zip(corners.tolist(), scores.tolist(), phrases)
            if box[0] < box[2] and box[1] < box[3]
        ]
        answer(found=found)


def load(groundingdino: Any, options: dict[str, Any]) -> Any:
    """The model in evaluation mode, from an official checkpoint."""
    import torch
    from groundingdino.models import build_model
    from groundingdino.util.misc import clean_state_dict
    from groundingdino.util.slconfig import SLConfig

    config = options["config"]
    if config is None:
        name = "GroundingDINO_SwinB_cfg.py" if "swinb" in options["weights"] else "GroundingDINO_SwinT_OGC.py"
        config = str(Path(groundingdino.__file__).parent / "config" / name)
    arguments = SLConfig.fromfile(config)
    arguments.device = options["device"]
    if options["text_encoder"] is not None:
        arguments.text_encoder_type = options["text_encoder"]
    model = build_model(arguments)
    state = torch.load(options["weights"], map_location="cpu", weights_only=True)
    model.load_state_dict(clean_state_dict(state["model"]), strict=False)
    return model.eval()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
