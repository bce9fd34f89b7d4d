"""The optimizer of matrices."""
import torch


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates (Newton-Schulz), for matrices."""

    def __init__(self, params, lr, momentum=0.95, iterations=3):
        super().__init__(params, dict(lr=lr, momentum=momentum, iterations=iterations))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"])
                tall = update.shape[0] > update.shape[1]
                x = (update.T if tall else update).bfloat16()  # a rough orthogonalisation will do
                x = x / (x.norm() + 1e-12)
                for _ in range(group["iterations"]):
                    a = x @ x.T
                    x = torch.addmm(x, torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
                p.add_((x.T if tall else x).float(), alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)
