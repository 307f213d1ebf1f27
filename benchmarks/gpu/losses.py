"""The same losses and gradients as on a processor, from the same weights, images and noise: equal but for rounding."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from benchmarks.gpu.setting import Case, Row, Setting
from benchmarks.workload import random_images, training
from tmc_sweep.training import Pack
from tmc_sweep.training.randomness import Purpose, generator, sample_noise

_LOSS, _GRADIENT = 1e-5, 1e-3  # relative; the gradient's norm is made of some large terms that cancel


def rows(setting: Setting) -> Iterator[Row]:
    """Each architecture and bound."""
    cases = [Case(name, objective) for name, objective in product(("small", "large"), ("elbo", "iwae", "tmc"))]
    return setting.each(cases, lambda case: compared(case, setting.device))


def compared(case: Case, device: str) -> Row:
    """Loss and gradient of one batch, on the device against on the processor."""
    images = random_images(case.config, case.config.batch_size)
    loss, gradient = _loss_and_gradient(training(case.config, images), images, "cpu")
    other_loss, other_gradient = _loss_and_gradient(training(case.config, images, device=device), images, device)
    loss_off = abs(other_loss - loss) / abs(loss)
    gradient_off = float((other_gradient - gradient).norm() / gradient.norm())
    return {"loss_off": loss_off, "gradient_off": gradient_off, "equal": loss_off < _LOSS and gradient_off < _GRADIENT}


def _loss_and_gradient(pack: Pack, images: Tensor, device: str) -> tuple[float, Tensor]:
    config = pack.config
    x = (images.float() / 255).unsqueeze(0)
    noise = sample_noise(len(images), config.K, pack.model.latents, [generator(0, Purpose.TRAINING_NOISE)])
    there = [each.to(device) for each in noise]
    bound = pack.model.score(pack.parameters, x.to(device), there, (config.objective,), config.gradient)
    loss = -bound[config.objective].sum()
    gradients = torch.autograd.grad(loss, list(pack.parameters.values()), materialize_grads=True)
    return loss.item(), torch.cat([gradient.flatten().cpu() for gradient in gradients])
