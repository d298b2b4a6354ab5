"""Runs in the interpreter that has `groundingdino-py`; answers `py_package.py` over its pipes.

Argument: the options as JSON, or `check`. Requests on standard input: a line of JSON, then height * width * 3 bytes
of RGB. Answers on standard output: one line of JSON each; to `check` one line, what is installed and why it does not
work. Imports nothing of Baton, as it has another interpreter.
"""

import argparse
import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

#: What groundingdino-py's `BertModelWarper` takes from transformers' BertModel; transformers 5 has not all of it.
CALLED = ("get_extended_attention_mask", "invert_attention_mask", "get_head_mask")
#: Tensors that a checkpoint may lack: counted up when the model is built, or never used.
SPARE = re.compile(r"\.position_ids$|\.relative_position_index$|^bert\.pooler\.")
#: What makes a file of weights of one that holds more of its training than is read.
ALONE = "torch.save({'model': torch.load(FILE, weights_only=False)['model']}, 'weights.pth')"


class Refused(Exception):
    """`kind`: package, config, missing or damaged, which tells Baton's error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def main(options: dict[str, Any]) -> None:
    answer = answers()
    try:
        check_interpreter()
        if not Path(options["weights"]).is_file():
            raise Refused("missing", f"GroundingDINO checkpoint {options['weights']!r} does not exist")
        model = load(options)
        answer(ready=True)
        for line in iter(sys.stdin.buffer.readline, b""):
            answer(found=find(model, json.loads(line), options))
    except Refused as refused:
        answer(error=refused.kind, message=str(refused))


def answers() -> Any:
    """What writes answers. The package prints; only answers may reach the pipe."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        pipe.write(json.dumps(fields) + "\n")
        pipe.flush()

    return answer


def installed() -> dict[str, str]:
    """Versions by name, read without importing anything; of those that are there."""
    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("groundingdino-py", "transformers", "numpy", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def has() -> str:
    return ", ".join(f"{name} {version}" for name, version in installed().items())


def check_interpreter() -> None:
    """Raise Refused where the package cannot work here whatever its weights."""
    try:
        import groundingdino.util.inference  # noqa: F401
        from transformers import BertModel

        lacking = [name for name in CALLED if not hasattr(BertModel, name)]
    except Exception as error:  # packages built for other versions raise more than ImportError
        reason = f"({has()}): {first_line(error)}"
        raise Refused(
            "package", f"groundingdino-py cannot be imported in {sys.executable} {reason}"
        ) from None
    if lacking:
        raise Refused(
            "package",
            f"transformers in {sys.executable} ({has()}) has no BertModel.{lacking[0]}, which groundingdino-py calls: "
            "install 'transformers>=4.40,<4.50' there",
        )


def load(options: dict[str, Any]) -> Any:
    """The model in evaluation mode, from an official checkpoint. Raises Refused."""
    import torch
    from groundingdino.util.misc import clean_state_dict

    weights = options["weights"]
    if hasattr(torch.serialization, "add_safe_globals"):  # torch 2.4: before, such a file is refused
        torch.serialization.add_safe_globals([argparse.Namespace])  # what trainers leave beside the weights
    try:
        content = torch.load(weights, map_location="cpu", weights_only=True)
        state = clean_state_dict(content.get("model", content))
    except Exception as error:  # whatever torch.load raises for a file that is none
        how = f"; where it was trained, save the weights alone: {ALONE}" if "GLOBAL" in str(error) else ""
        raise Refused(
            "damaged", f"{weights!r} cannot be read as a checkpoint: {first_line(error)}{how}"
        ) from None
    model = build(options)
    try:
        missing = set(model.load_state_dict(state, strict=False).missing_keys)
    except Exception as error:
        raise Refused(
            "damaged", f"{weights!r} does not fit groundingdino-py's model: {last_line(error)}"
        ) from None
    lacking = not_filled(model.state_dict(keep_vars=True), missing)
    if lacking:
        raise Refused("damaged", f"{weights!r} lacks {len(lacking)} tensors, first {lacking[0]}")
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise Refused("damaged", f"{weights!r}: tensor {name} holds numbers that are not finite")
    return model.eval()


def build(options: dict[str, Any]) -> Any:
    """The model with random weights. Raises Refused."""
    import groundingdino
    from groundingdino.models import build_model
    from groundingdino.util.slconfig import SLConfig

    config = options["config"]
    if config is None:
        named = Path(options["weights"]).name.lower()
        name = "GroundingDINO_SwinB_cfg.py" if "swinb" in named else "GroundingDINO_SwinT_OGC.py"
        config = str(Path(groundingdino.__file__).parent / "config" / name)
    try:
        arguments = SLConfig.fromfile(config)
    except Exception as error:
        raise Refused(
            "config", f"{config!r} is no configuration of GroundingDINO: {first_line(error)}"
        ) from None
    arguments.device = options["device"]
    if options["text_encoder"] is not None:
        arguments.text_encoder_type = options["text_encoder"]
    try:
        return build_model(arguments)
    except OSError as error:
        encoder = getattr(arguments, "text_encoder_type", None)
        raise Refused("missing", f"the text encoder {encoder!r} cannot be had: {first_line(error)}") from None
    except Exception as error:
        kind = "package" if options["config"] is None and options["text_encoder"] is None else "config"
        raise Refused(
            kind, f"groundingdino-py cannot build the model of {config!r} ({has()}): {first_line(error)}"
        ) from None


def not_filled(tensors: dict[str, Any], missing: set[str]) -> list[str]:
    """Those of the missing names whose tensors kept their random numbers: what is the same tensor under another name
    (the boxes' layers are) may have been filled by that."""
    filled = {id(tensor) for name, tensor in tensors.items() if name not in missing}
    return [
        name
        for name, tensor in tensors.items()
        if name in missing and id(tensor) not in filled and not SPARE.search(name)
    ]


def find(model: Any, request: dict[str, Any], options: dict[str, Any]) -> list[Any]:
    """[box in pixels, score, words] of each query, as the package's own functions give them. Raises Refused."""
    import numpy as np
    import torch
    from groundingdino.datasets import transforms
    from groundingdino.util.inference import predict
    from PIL import Image

    height, width = request["height"], request["width"]
    outputs: list[Any] = []
    hook = model.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    pixels = np.frombuffer(sys.stdin.buffer.read(height * width * 3), np.uint8).reshape(height, width, 3)
    try:
        prepare = transforms.Compose(
            [
                transforms.RandomResize([800], max_size=1333),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )
        tensor, _ = prepare(Image.fromarray(pixels), None)
        boxes, scores, phrases = predict(
            model,
            tensor,
            request["phrase"],
            options["box_threshold"],
            options["text_threshold"],
            device=options["device"],
        )
    except Exception as error:
        has = ", ".join(f"{name} {version}" for name, version in installed().items())
        raise Refused(
            "package", f"groundingdino-py fails on a picture ({has}): {first_line(error)}"
        ) from None
    finally:
        hook.remove()
    for output in outputs:
        check_finite(output["pred_logits"], output["pred_boxes"], request["phrase"], options["weights"])
    half = boxes[:, 2:] / 2
    corners = torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1).clamp(0, 1)
    corners = corners * torch.tensor([width, height, width, height])
    return [
        [box, score, phrase]
        for box, score, phrase in zip(corners.tolist(), scores.tolist(), phrases)
        if box[0] < box[2] and box[1] < box[3]
    ]


def check_finite(logits: Any, boxes: Any, phrase: str, weights: str) -> None:
    """Raise Refused: a NaN is above no threshold, so that nothing would be found. Minus infinity stands at the places
    beyond the phrase by design."""
    if bool((logits.isnan() | (logits == float("inf"))).any()) or not bool(boxes.isfinite().all()):
        raise Refused("damaged", f"{weights!r} gives numbers that are not finite for {phrase!r}")


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def last_line(error: Exception) -> str:
    """Of the error that lists what does not fit, after a heading."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


def check() -> None:
    answer = answers()
    try:
        check_interpreter()
    except Refused as refused:
        answer(versions=installed(), fault=str(refused))
    else:
        answer(versions=installed(), fault=None)


if __name__ == "__main__":
    if sys.argv[1] == "check":
        check()
    else:
        main(json.loads(sys.argv[1]))
