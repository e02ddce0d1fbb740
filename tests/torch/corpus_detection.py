"""Programs with a detection head: the operators of torchvision that the engine brings itself."""

from typing import List, Tuple

import torch
import torchvision.ops as ops
from torch import nn

from corpus_cases import Case


class Nms(nn.Module):
    def forward(self, boxes, scores):
        return ops.nms(boxes, scores, 0.5), ops.nms(boxes.double(), scores.double(), 0.1)


class Head(nn.Module):
    """Proposals, kept and pooled, one region after the other: what a second stage does."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3, padding=1)
        self.score = nn.Conv2d(8, 1, 1)
        self.classes = nn.Linear(8 * 9, 4)

    def forward(self, picture, boxes):
        features = self.features(picture)
        scores = self.score(features).flatten()[: boxes.shape[0]]
        kept = ops.nms(boxes, scores, 0.5)
        regions = torch.cat([torch.zeros_like(boxes[kept][:, :1]), boxes[kept]], 1)
        pooled = ops.roi_align(features, regions, 3, 0.5, 2, True)
        return kept, self.classes(pooled.flatten(1))


class RoiAlign(nn.Module):
    def forward(self, x, rois):
        return (ops.roi_align(x, rois, (7, 5), 0.25, 2, True), ops.roi_align(x, rois, (2, 3), 0.25, 0, False), ops.roi_align(x, rois, 1, 1.0, -1, True),
                ops.roi_align(x.double(), rois.double(), 3, 0.5, 0, True), ops.roi_align(x.half(), rois.half(), 3, 0.5, 2, False),
                ops.roi_align(x, rois[:0], 3))


class RoiPool(nn.Module):
    """The position-sensitive operators give the channel of each bin as well; a caller in Python never sees it."""

    def forward(self, x, rois):
        call = torch.ops.torchvision
        return (call.roi_pool(x, rois, 0.25, 3, 4), call.roi_pool(x.double(), rois.double(), 1.0, 2, 2), call.ps_roi_align(x, rois, 0.25, 2, 2, 2),
                call.ps_roi_align(x.double(), rois.double(), 0.5, 2, 3, 0), call.ps_roi_align(x.half(), rois.half(), 0.5, 2, 2, 3),
                call.ps_roi_pool(x, rois, 0.25, 3, 2), call.ps_roi_pool(x.double(), rois.double(), 1.0, 2, 2))


class RotatedIou(nn.Module):
    """torch.export has no fake of it."""

    def forward(self, first, second):
        return torch.ops.torchvision.box_iou_rotated(first, second), torch.ops.torchvision.box_iou_rotated(first, first)


class Deform(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = ops.DeformConv2d(6, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
        self.plain = ops.DeformConv2d(6, 5, 3, bias=False)

    def forward(self, x, offset, mask, other):
        return self.conv(x, offset, mask), self.plain(x, other), ops.deform_conv2d(x.half(), other.half(), self.plain.weight.half())


def boxes(count, size, generator):
    corner = torch.rand(count, 2, generator=generator) * size
    extent = torch.rand(count, 2, generator=generator) * size / 2
    return torch.cat([corner, corner + extent], 1)


def rois(pictures, count, size, generator):
    """Beyond the edges, without extent and turned around, too."""
    found = boxes(count, size, generator)
    found[0] = torch.tensor([-9.0, -3.0, 2.0, 5.0])
    found[1] = torch.tensor([5.0, 5.0, 5.0, 5.0])
    found[2] = torch.tensor([size, size, size + 30.0, size + 4.0])
    found[3] = torch.tensor([9.0, 9.0, 4.0, 2.0])
    return torch.cat([torch.randint(pictures, (count, 1), generator=generator).float(), found], 1)


def rotated(count, generator):
    found = torch.rand(count, 5, generator=generator) * torch.tensor([20.0, 20.0, 10.0, 10.0, 360.0]) - torch.tensor([0.0, 0.0, 0.0, 0.0, 180.0])
    found[0, 2] = 0  # without extent
    found[1] = torch.tensor([10.0, 10.0, 6.0, 4.0, 0.0])
    return found


def detection_cases():
    generator = torch.Generator().manual_seed(20)
    randn = lambda *shape: torch.randn(*shape, generator=generator)
    scores = torch.rand(300, generator=generator)
    scores[100:120] = scores[100]  # ties keep their order
    regions = rois(2, 20, 64.0, generator)
    return [
        Case("nms", Nms(), (boxes(300, 60.0, generator), scores), ["boxes", "scores"]),
        Case("detection_head", Head(), (randn(1, 3, 16, 16), boxes(40, 30.0, generator)), ["picture", "boxes"], bf16=True),
        Case("roi_align", RoiAlign(), (randn(2, 3, 16, 15), regions), ["x", "rois"]),
        Case("roi_pool", RoiPool(), (randn(2, 12, 16, 15), regions), ["x", "rois"]),
        Case("deform_conv2d", Deform(), (randn(4, 6, 9, 8), randn(4, 2 * 2 * 6, 5, 10) * 2, torch.rand(4, 2 * 6, 5, 10, generator=generator), randn(4, 18, 7, 6)),
             ["x", "offset", "mask", "other"]),
    ]


class ScriptHead(nn.Module):
    def forward(self, x: torch.Tensor, found: torch.Tensor, scores: torch.Tensor) -> Tuple[torch.Tensor, List[torch.Tensor]]:
        kept = ops.nms(found, scores, 0.5)
        return kept, [ops.roi_align(x, [found[kept]], 3), ops.nms(found[:0], scores[:0], 0.5)]


def detection_scripts():
    generator = torch.Generator().manual_seed(21)
    args = (torch.randn(1, 3, 16, 16, generator=generator), boxes(30, 16.0, generator), torch.rand(30, generator=generator))
    return [Case("script_head", ScriptHead(), args, ["x", "found", "scores"]),
            Case("script_rotated", RotatedIou(), (rotated(30, generator), rotated(20, generator)), ["first", "second"], tolerance=1e-5)]
