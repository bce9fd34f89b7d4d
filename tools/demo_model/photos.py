"""The pool of photographs: crops for training, and the held-out ones."""
import torch


class Photos:
    """Photographs of DATA/pool.pt (prepare_data.py), each as a pyramid of sizes; `held` picks the held-out ones."""

    def __init__(self, data, held):
        self.photos = [p for p in torch.load(data + "/pool.pt", mmap=True) if p["held"] == held]

    def crop(self, height, width, rng):
        """A random window; levels near its size, which show whole scenes, come up more often."""
        levels = []
        while not levels:
            levels = [p for p in rng.choice(self.photos)["pyr"] if p.shape[1] >= height and p.shape[2] >= width]
        levels.sort(key=lambda p: p.shape[1])
        level = levels[min(int(rng.random() ** 1.5 * len(levels)), len(levels) - 1)]
        y, x = rng.randint(0, level.shape[1] - height), rng.randint(0, level.shape[2] - width)
        crop = level[:, y:y + height, x:x + width].float() / 255
        if rng.random() < 0.5:
            crop = crop.flip(2)
        if rng.random() < 0.35:  # other exposures and white balances
            gain = torch.tensor([rng.uniform(0.75, 1.25) for _ in range(3)]).view(3, 1, 1) * rng.uniform(0.7, 1.3)
            crop = (crop * gain + rng.uniform(-0.1, 0.1)).clamp(0, 1)
        return crop
