"""Models: whatever turns a prompt into text.

```
protocol   Model, Message, Usage, Settings: what every model is
adapters   functions and LangChain-like objects as models
endpoint   OpenAI-compatible servers
embedded   the model that runs in this process; fetch gets its weights
registry   from a spec ("smollm2", "openai:NAME", a function) to the model
```

Importing this loads no model library: each is imported when its first prompt comes.
"""

from nbflow.models.adapters import FunctionModel, ObjectModel
from nbflow.models.embedded import EmbeddedModel
from nbflow.models.endpoint import EndpointModel
from nbflow.models.protocol import Message, Model, Settings, Usage
from nbflow.models.registry import ModelSpec, default_model, model, set_default_model

__all__ = [
    "EmbeddedModel",
    "EndpointModel",
    "FunctionModel",
    "Message",
    "Model",
    "ModelSpec",
    "ObjectModel",
    "Settings",
    "Usage",
    "default_model",
    "model",
    "set_default_model",
]
