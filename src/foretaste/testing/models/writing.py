"""What a reader of the code must find: names, docstrings, a word on every setting."""

import ast
import inspect
import textwrap

from foretaste.models import ModelConfig, Recommender
from foretaste.models.registry import model_class, model_names
from foretaste.testing.models.setup import ContractSetup


def undocumented_fields(config_class: type[ModelConfig]) -> list[str]:
    """Fields of a config that no string follows, those of its bases and of configs inside it included."""
    missing: list[str] = []
    for cls in config_class.__mro__:
        if cls is ModelConfig or not issubclass(cls, ModelConfig):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for place, node in enumerate(tree.body):
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            after = tree.body[place + 1] if place + 1 < len(tree.body) else None
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if node.target.id in config_class.model_fields and not is_text:
                missing.append(f"{cls.__name__}.{node.target.id}")
    return missing


class WritingChecks(ContractSetup):
    """The class, its methods and its settings say what they are."""

    def test_the_class_and_its_public_methods_are_documented(self) -> None:
        cls = type(self.make())
        assert (cls.__dict__.get("__doc__") or "").strip()
        for name, member in vars(cls).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, classmethod | property)):
                assert inspect.getdoc(member), f"{cls.__name__}.{name} has no docstring"

    def test_every_setting_is_explained(self) -> None:
        config_class = self.make().config_class
        assert config_class is ModelConfig or config_class.__doc__
        assert undocumented_fields(config_class) == []

    def test_every_setting_has_a_default(self) -> None:
        model = self.make()
        assert isinstance(type(model)(), Recommender)
        assert model.config.model_config.get("extra") == "forbid"
        assert model.config.model_config.get("frozen")

    def test_the_parts_of_the_state_are_set_by_fitting(self, model: Recommender) -> None:
        fresh = self.make()
        for name in model.state_fields:
            assert getattr(model, name) is not None
            assert name not in vars(fresh), f"{name} is there before fit"

    def test_the_name_is_one_that_can_be_registered(self) -> None:
        cls = type(self.make())
        assert cls.name == cls.name.lower()
        assert cls.name.replace("_", "").isalnum()
        if cls.name in model_names():
            assert model_class(cls.name) is cls
