"""The global state of torch that the package's code relies on, whatever the caller has set."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def own_torch_state(gradients: bool = True) -> Iterator[None]:
    """Sets torch's global state for a block of code or a decorated function, and then restores the caller's state.

    Even inside `torch.inference_mode`, tensors are not inference tensors, so that gradients can pass through them.
    There is no autocast: weights have the type that they were loaded in (`Model.in_precision` changes it). New tensors
    are float32 and on the CPU unless the code says otherwise, so that random draws do not depend on
    `torch.set_default_dtype`.

    Args:
        gradients: whether gradients are recorded.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if (before := torch.get_default_dtype()) != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, before)
        yield
