"""What a browser shows of a picture or a video: the yardstick for what is made of those that people send."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
}

DRAW = """
async ([address, isVideo]) => {
  const shown = document.createElement(isVideo ? 'video' : 'img')
  const ready = new Promise((resolve, reject) => {
    shown.addEventListener(isVideo ? 'loadeddata' : 'load', resolve)
    shown.addEventListener('error', () => reject(new Error('the browser does not show it')))
  })
  shown.muted = true
  shown.src = address
  await ready
  if (isVideo) await new Promise(done => { shown.requestVideoFrameCallback(done); shown.play() })
  const canvas = document.createElement('canvas')
  canvas.width = isVideo ? shown.videoWidth : shown.naturalWidth
  canvas.height = isVideo ? shown.videoHeight : shown.naturalHeight
  const context = canvas.getContext('2d', { colorSpace: 'srgb' })
  context.fillStyle = 'white'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(shown, 0, 0, canvas.width, canvas.height)
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
  let packed = ''
  for (let at = 0; at < data.length; at += 8192) packed += String.fromCharCode(...data.subarray(at, at + 8192))
  return [canvas.width, canvas.height, btoa(packed)]
}
"""


def shown(page: Page, path: Path) -> npt.NDArray[np.uint8]:
    """``(height, width, 3)`` of the picture, or of the first frame of the video, on a white page."""
    address = f"data:{TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
    width, height, packed = page.evaluate(DRAW, [address, path.suffix in (".mp4", ".mov", ".webm")])
    pixels = np.frombuffer(base64.b64decode(packed), np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(pixels[:, :, :3])
